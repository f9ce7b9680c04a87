package gensql

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/codepage"
	"pipeworks/internal/record"
)

// inputFlags say how the records are read, the same for every verb.
func inputFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.InputFormatFlag(),
		&cli.StringFlag{Name: "delimiter", Usage: "`CHARACTER` between two fields of csv; \\t is a tab (default a comma)"},
		&cli.StringFlag{Name: "quote", Usage: "`CHARACTER` around a quoted field of csv, or none (default a double quote)"},
		&cli.BoolFlag{Name: "no-header", Usage: "the first line of csv or tsv is a record; the fields are c1, c2, ..."},
		&cli.StringSliceFlag{Name: "header-name", Aliases: []string{"header-names"}, Usage: "`NAME` of the next field; repeat it for all: the first line is a record"},
		&cli.StringFlag{Name: "encoding", Usage: "character encoding of the input, a `NAME` such as latin1, utf-16, gbk (default utf-8)"},
		cmdline.NullAsFlag(),
		&cli.BoolFlag{Name: "empty-as-null", Usage: "an empty text is NULL, even in quotes"},
		&cli.BoolFlag{Name: "empty-as-text", Usage: "an empty field of csv is the empty text, even without quotes"},
		cmdline.MaxRecordFlag(),
	}
}

// inputOptions sets cfg.Input to what the inputFlags say.
func inputOptions(inv *cmdline.Invocation, cfg *Config) (err error) {
	in := &cfg.Input
	if in.Format, err = inv.InputFormat(); err != nil {
		return err
	}
	if in.MaxRecord, err = inv.Size("max-record"); err != nil {
		return err
	}
	in.NullAs = inv.NullAs()
	if in.Empty, err = empty(inv); err != nil {
		return err
	}
	if inv.IsSet("encoding") {
		if in.Encoding, err = codepage.Lookup(inv.String("encoding")); err != nil {
			return cmdline.Usage(err)
		}
	}
	if err := csvOptions(inv, in); err != nil {
		return err
	}
	return headerOptions(inv, in)
}

func empty(inv *cmdline.Invocation) (record.Empty, error) {
	asNull, asText := inv.Bool("empty-as-null"), inv.Bool("empty-as-text")
	switch {
	case asNull && asText:
		return 0, cmdline.Usagef("--empty-as-null and --empty-as-text cannot both hold")
	case asText && inv.IsSet("null-as") && inv.String("null-as") == "":
		return 0, badInput("--empty-as-null makes a quoted one NULL too", "--null-as '' and --empty-as-text cannot both hold")
	case asNull:
		return record.EmptyNull, nil
	case asText:
		return record.EmptyText, nil
	}
	return record.EmptyDefault, nil
}

// csvOptions reads --delimiter and --quote, either of which means that the
// input is csv.
func csvOptions(inv *cmdline.Invocation, in *record.ReaderOptions) error {
	for _, name := range []string{"delimiter", "quote"} {
		if !inv.IsSet(name) {
			continue
		}
		if in.Format != record.Auto && in.Format != record.CSV {
			return badInput(`-i csv reads fields between tabs too, with --delimiter '\t'`, "--%s is for csv, not for %s", name, in.Format)
		}
	}
	if !inv.IsSet("delimiter") && !inv.IsSet("quote") {
		return nil
	}
	in.Format = record.CSV
	in.Delimiter, in.Quote = ',', '"'
	if inv.IsSet("delimiter") {
		text := inv.String("delimiter")
		if text == `\t` {
			text = "\t"
		}
		if len(text) != 1 || text == "\n" || text == "\r" {
			return badInput(`such as ';', '|' or '\t'; one from beyond ASCII has several`, "--delimiter %q: it is a single byte, and no line end", text)
		}
		in.Delimiter = text[0]
	}
	if inv.IsSet("quote") {
		switch text := inv.String("quote"); {
		case text == "none" || text == "":
			in.NoQuote = true
		case len(text) != 1 || text == "\n" || text == "\r":
			return badInput("such as \"'\"; none if no field is quoted", "--quote %q: it is a single byte, and no line end", text)
		default:
			in.Quote = text[0]
		}
	}
	if in.Quote == in.Delimiter && !in.NoQuote {
		return badInput("--quote none if no field is quoted", "%q cannot both delimit fields and quote them", in.Quote)
	}
	return nil
}

// headerOptions reads --no-header and --header-name.
func headerOptions(inv *cmdline.Invocation, in *record.ReaderOptions) error {
	in.NoHeader = inv.Bool("no-header")
	in.HeaderNames = inv.StringSlice("header-name")
	option := ""
	switch {
	case len(in.HeaderNames) > 0:
		option = "--header-name"
	case in.NoHeader:
		option = "--no-header"
	default:
		return nil
	}
	if in.Format == record.JSONL || in.Format == record.JSONText {
		return cmdline.Usagef("%s is for csv, tsv and outfile: in %s every record has its names", option, in.Format)
	}
	if _, repeated := record.UniqueNames(in.HeaderNames); repeated {
		return cmdline.Usagef("--header-name: two fields have one name")
	}
	return nil
}

func badInput(hint, format string, args ...any) error {
	return cmdline.UsageHint(fmt.Errorf(format, args...), hint)
}
