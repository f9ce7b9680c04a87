package record

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func seed(f *testing.F, tests ...[]readerTest) {
	for _, list := range tests {
		for _, tt := range list {
			f.Add([]byte(tt.input))
		}
	}
}

// A line is a record if encoding/json takes it for an object, with the same
// fields in the same order and the same values, but for what our readers
// refuse and encoding/json replaces by U+FFFD: invalid UTF-8 and unpaired
// surrogates.
func FuzzJSONLReader(f *testing.F) {
	seed(f, jsonlReaderTests)
	f.Fuzz(func(t *testing.T, input []byte) {
		if isUTF16(input) {
			return
		}
		r, err := NewReader(bytes.NewReader(input), ReaderOptions{Format: JSONL})
		if err != nil {
			t.Fatal(err)
		}
		var rec Record
		for line := range bytes.Lines(bytes.TrimPrefix(input, []byte("\ufeff"))) {
			if len(bytes.Trim(line, " \t\r\n")) == 0 {
				continue
			}
			err := r.Read(&rec)
			want, ok := decodeObject(line)
			var syntax *SyntaxError
			switch {
			case err == nil && ok:
				if diff := cmp.Diff(want, showFields(&rec)); diff != "" {
					t.Errorf("%q: -want +got:\n%s", line, diff)
				}
			case err == nil:
				t.Errorf("%q is no object, but was read as %s", line, show(&rec))
			case !errors.As(err, &syntax):
				t.Fatalf("%q: %v", line, err)
			case ok && errors.Is(err, errUTF8) && !utf8.Valid(line):
			case ok && errors.Is(err, errSurrogate) && bytes.Contains(line, []byte(`\u`)):
			case ok:
				t.Errorf("%q: %v", line, err)
			case syntax.Column < 1 || syntax.Column > len(line)+1:
				t.Errorf("%q: column %d", line, syntax.Column)
			}
		}
		if err := r.Read(&rec); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	})
}

// decodeObject is an object's fields as encoding/json reads them, shown as
// showFields does; ok is false if the line is no object.
func decodeObject(line []byte) (fields []string, ok bool) {
	if !json.Valid(line) || bytes.TrimLeft(line, " \t\r\n")[0] != '{' {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	fields = []string{}
	positions := map[string]int{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		shown := string(value)
		var text string
		if shown == "null" {
			shown = "NULL"
		} else if json.Unmarshal(value, &text) == nil {
			shown = fmt.Sprintf("%q", text)
		}
		at, repeated := positions[name.(string)]
		if !repeated {
			at = len(fields)
			positions[name.(string)] = at
			fields = append(fields, "")
		}
		fields[at] = fmt.Sprintf("%q=%s", name, shown)
	}
	return fields, true
}

func showFields(rec *Record) []string {
	fields := []string{}
	for i, name := range rec.Fields {
		fields = append(fields, fmt.Sprintf("%q=%s", name, showValue(rec.Values[i])))
	}
	return fields
}

// What encoding/csv takes is read the same, with any delimiter, and where lines
// end in CR alone too. Left out is what it changes: a carriage return before a
// newline, and the blank lines of a single column, which are NULL to us and
// nothing to it.
func FuzzCSVReader(f *testing.F) {
	for i, tt := range csvReaderTests {
		f.Add([]byte(tt.input), byte(',')+byte(i%2))
	}
	f.Add([]byte("a;b\n1;\"2\n\"\n"), byte(';'))
	f.Add([]byte("a\x00b\n1\x00\"2\x00\"\n"), byte(0))
	f.Fuzz(func(t *testing.T, input []byte, delimiter byte) {
		if isUTF16(input) {
			return
		}
		input = bytes.ReplaceAll(input, []byte{'\r'}, nil)
		reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(input, []byte("\ufeff"))))
		reader.Comma = rune(delimiter)
		if delimiter >= utf8.RuneSelf {
			return // a byte is no character to encoding/csv
		}
		want, err := reader.ReadAll()
		if err != nil || len(want) == 0 {
			return // stricter about quotes, or nothing to compare
		}
		o := ReaderOptions{Format: CSV, Delimiter: delimiter}
		fields, got := readCSV(t, input, o)
		if names, _ := UniqueNames(want[0]); len(want) > 1 && !cmp.Equal(names, fields) {
			t.Errorf("fields %q, want %q", fields, names)
		}
		if len(got) != len(want)-1 || len(got) > 0 && !cmp.Equal(want[1:], got) {
			t.Errorf("got %q, want %q", got, want[1:])
		}

		_, records := readCSV(t, input, ReaderOptions{Format: CSV, Delimiter: delimiter, HeaderNames: numbered(len(want[0]))})
		if len(want[0]) > 1 && !cmp.Equal(want, records) { // blank lines again
			t.Errorf("without a header: got %q, want %q", records, want)
		}

		cr := []byte{'\r'}
		crFields, crGot := readCSV(t, bytes.ReplaceAll(input, []byte{'\n'}, cr), o)
		replaceAll := func(list []string) (replaced []string) {
			for _, s := range list {
				replaced = append(replaced, strings.ReplaceAll(s, "\n", "\r"))
			}
			return replaced
		}
		if !cmp.Equal(replaceAll(fields), crFields) || len(got) != len(crGot) {
			t.Errorf("lines that end in CR: fields %q, want %q; %d records, want %d", crFields, fields, len(crGot), len(got))
		}
		for i := range got {
			if !cmp.Equal(replaceAll(got[i]), crGot[i]) {
				t.Errorf("lines that end in CR: got %q, want %q", crGot[i], got[i])
			}
		}
	})
}

func isUTF16(input []byte) bool {
	return bytes.HasPrefix(input, []byte{0xff, 0xfe}) || bytes.HasPrefix(input, []byte{0xfe, 0xff})
}

// readCSV reads well-formed CSV but for its blank lines. NULL is the empty
// text.
func readCSV(t *testing.T, input []byte, o ReaderOptions) (fields []string, rows [][]string) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(input), o)
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	for {
		err := r.Read(&rec)
		if err == io.EOF {
			return rec.Fields, rows
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(rec.Raw) == 0 {
			continue
		}
		row := []string{}
		for _, v := range rec.Values {
			row = append(row, string(v.Bytes))
		}
		rows = append(rows, row)
	}
}

// JSON texts are records if encoding/json takes them for objects or for arrays
// of objects, whatever white space is between and in them.
func FuzzJSONTextReader(f *testing.F) {
	seed(f, jsonTextReaderTests)
	f.Fuzz(func(t *testing.T, input []byte) {
		if isUTF16(input) {
			return
		}
		got := readAll(bytes.NewReader(input), ReaderOptions{Format: JSONText, Source: "in"})
		broken := len(got) > 0 && strings.HasPrefix(got[len(got)-1], "!!")
		want, err := decodeTexts(bytes.TrimPrefix(input, []byte("\ufeff")))
		if broken {
			last := got[len(got)-1]
			if got = got[:len(got)-1]; err == nil && !strings.Contains(last, errObject.Error()) { // encoding/json takes 00 for two numbers
				t.Fatalf("%q: got %q, but encoding/json takes it", input, got)
			}
		} else if err != nil {
			t.Fatalf("%q: got %q; encoding/json: %v", input, got, err)
		}
		if len(got) > len(want) || !broken && len(got) < len(want) {
			t.Fatalf("%q: got %d records, want %d", input, len(got), len(want))
		}
		for i, shown := range got {
			if _, object := decodeObject(want[i]); strings.HasPrefix(shown, "! ") {
				surrogate := bytes.Contains(want[i], []byte(`\u`)) && strings.Contains(shown, errSurrogate.Error())
				if object && utf8.Valid(want[i]) && !surrogate {
					t.Errorf("%q: %s", want[i], shown)
				}
				continue
			}
			line := readAll(bytes.NewReader(appendOneLine(nil, want[i])), ReaderOptions{Format: JSONL})
			_, fields, _ := strings.Cut(shown, ":")
			if len(line) != 1 || strings.TrimPrefix(line[0], "1:") != strings.ReplaceAll(strings.ReplaceAll(fields, "\n", " "), "\r", " ") {
				t.Errorf("%q is read as %q, in one line as %q", want[i], shown, line)
			}
		}
	})
}

// decodeTexts are the objects, and what stands in their place, of JSON texts
// up to the first error.
func decodeTexts(input []byte) (values [][]byte, err error) {
	d := json.NewDecoder(bytes.NewReader(input))
	for {
		var text json.RawMessage
		if err := d.Decode(&text); err == io.EOF {
			return values, nil
		} else if err != nil {
			return append(values, elementsOf(input[d.InputOffset():])...), err
		}
		var elements []json.RawMessage
		if text[0] != '[' {
			values = append(values, text)
		} else if err := json.Unmarshal(text, &elements); err != nil {
			return values, err
		}
		for _, e := range elements {
			values = append(values, e)
		}
	}
}

// elementsOf are the elements of an array that is broken somewhere.
func elementsOf(input []byte) (values [][]byte) {
	d := json.NewDecoder(bytes.NewReader(input))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil
	}
	for d.More() {
		var element json.RawMessage
		if d.Decode(&element) != nil {
			return values
		}
		values = append(values, element)
	}
	return values
}

// Whatever pieces the input comes in, the records and errors are the same, in
// every format and also where records are longer than allowed.
func FuzzPieces(f *testing.F) {
	seed(f, jsonlReaderTests, jsonTextReaderTests, csvReaderTests, tsvReaderTests, outfileReaderTests)
	options := []ReaderOptions{
		{Format: CSV, Delimiter: ';', Quote: '\'', NoHeader: true},
		{Format: CSV, Delimiter: '"', NoQuote: true, HeaderNames: []string{"x", "y"}},
		{Format: TSV, NoHeader: true},
		{Format: CSV, Encoding: encodingOf(f, "gb18030")},
		{Format: TSV, Encoding: encodingOf(f, "utf-16")},
		{Encoding: encodingOf(f, "iso-2022-jp")},
		{Encoding: encodingOf(f, "utf-8"), Empty: EmptyNull},
	}
	for _, format := range []Format{Auto, JSONL, JSONText, CSV, TSV, Outfile, Lines} {
		options = append(options, ReaderOptions{Format: format})
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, o := range options {
			o.LineField = "x"
			for _, limit := range []int{0, 8} {
				o.MaxRecord = limit
				whole := readAll(bytes.NewReader(input), o)
				bytewise := readAll(iotest.OneByteReader(bytes.NewReader(input)), o)
				if diff := cmp.Diff(whole, bytewise); diff != "" {
					t.Errorf("%+v: -whole +bytewise:\n%s", o, diff)
				}
			}
		}
	})
}

// What a writer wrote is read back: NULL as NULL, the empty text as the empty
// text, any bytes as themselves (as UTF-8 in JSON).
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a"), []byte("b"), []byte(""), byte(0), "NULL")
	f.Add([]byte("a"), []byte(""), []byte("x"), byte(2), "")
	f.Add([]byte("é"), []byte("NULL"), []byte("\\N"), byte(1), "NULL")
	f.Add([]byte(","), []byte("\t\\\x00"), []byte("\r\n\""), byte(0), "\\N")
	f.Add([]byte("\xff"), []byte("\ufeff"), []byte("\r"), byte(4), "-")
	f.Add([]byte("{"), []byte("[1]"), []byte("6\" pipe"), byte(7), "0")
	f.Fuzz(func(t *testing.T, name, x, y []byte, nulls byte, nullAs string) {
		fields := []string{"é" + string(name), "b"}
		rows := [][]Value{
			{{Text, x}, {Text, y}},
			{{Text, y}, {}},
			{{}, {Text, x}},
			{{Text, nil}, {Text, nil}},
			{{}, {}},
		}
		for i, row := range rows[:2] {
			if nulls>>i&1 == 1 {
				row[i] = Value{}
			}
		}
		roundTrip(t, JSONL, nil, fields, rows)
		roundTrip(t, CSV, nil, fields, rows)
		roundTrip(t, TSV, nil, fields, rows)
		if !strings.ContainsAny(nullAs, nullSpecial[CSV]) {
			roundTrip(t, CSV, &nullAs, fields, rows)
		}
		// A single column, where a line may have nothing on it.
		column := [][]Value{{{Text, x}}, {{}}, {{Text, nil}}, {{Text, y}}}
		roundTrip(t, JSONL, nil, fields[:1], column)
		roundTrip(t, CSV, nil, fields[:1], column)
		if !bytes.HasSuffix(name, []byte{'\r'}) { // in tsv a CR there says that lines end in CRLF
			roundTrip(t, TSV, nil, fields[:1], column)
		}
	})
}

func roundTrip(t *testing.T, f Format, nullAs *string, fields []string, rows [][]Value) {
	t.Helper()
	text := func(s []byte) string {
		if f == JSONL {
			s = []byte(string([]rune(string(s)))) // each invalid byte to U+FFFD
		}
		return showValue(Value{Text, s})
	}
	var want []string
	for _, row := range rows {
		shown := ""
		for i, v := range row {
			shown += " " + text([]byte(fields[i])) + "="
			if v.Kind == Null {
				shown += "NULL"
			} else {
				shown += text(v.Bytes)
			}
		}
		want = append(want, shown)
	}
	written := write(t, f, WriterOptions{NullAs: nullAs}, fields, rows...)
	r, err := NewReader(strings.NewReader(written), ReaderOptions{Format: f, NullAs: nullAs})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var rec Record
	for err = r.Read(&rec); err == nil; err = r.Read(&rec) {
		shown := ""
		for i, v := range rec.Values {
			shown += " " + text([]byte(rec.Fields[i])) + "=" + showValue(v)
		}
		got = append(got, shown)
	}
	if diff := cmp.Diff(want, got); err != io.EOF || diff != "" {
		t.Errorf("%s, %q: %v, -want +got:\n%s", f, written, err, diff)
	}
}

// A JSON string is one line of UTF-8 that means its text, with U+FFFD for
// every byte that is none.
func FuzzAppendJSONString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\n\r\t\x00\x1f\x7f", "é😀\u2028", "\xff", "\xed\xa0\x80", "é\xc3"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		quoted := AppendJSONString(nil, s)
		if !utf8.Valid(quoted) || bytes.ContainsAny(quoted, "\n\r\x00") {
			t.Errorf("%q is written %q", s, quoted)
		}
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil {
			t.Fatalf("%q is written %s: %v", s, quoted, err)
		}
		if want := string([]rune(string(s))); got != want {
			t.Errorf("%q reads back as %q", s, got)
		}
		if v, err := ParseJSON(quoted); err != nil || string(v.Bytes) != got {
			t.Errorf("%s: %q, %v", quoted, v.Bytes, err)
		}
	})
}

// A JSON text is a value if encoding/json takes it; what AppendJSON writes of
// it means the same on one line, and an array has the same elements.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{"", " 1.50 ", `"a\tb"`, "null", "true", "[1, \"a\\n\" ,null,[2,3],{\"x\":[]}]", "[ ]", "{\n}", "[1,]", `{"a":"\ud83d"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseJSON(text)
		if err != nil {
			if json.Valid(text) && !errors.Is(err, errUTF8) && !errors.Is(err, errSurrogate) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		written := AppendJSON(nil, v)
		if !json.Valid(text) || bytes.ContainsAny(written, "\r\n") || !jsonEqual(text, written) {
			t.Errorf("%q is written %q", text, written)
		}
		elements, ok := Elements(v)
		var want []json.RawMessage
		if err := json.Unmarshal(text, &want); ok != (err == nil && v.Kind == JSON) || ok && len(elements) != len(want) {
			t.Fatalf("%q: %d elements, %t; want %d, %v", text, len(elements), ok, len(want), err)
		}
		for i, e := range elements {
			if got := AppendJSON(nil, e); !jsonEqual(want[i], got) {
				t.Errorf("%q: element %d is %q, want %q", text, i, got, want[i])
			}
		}
	})
}

// jsonEqual compares what two JSON texts mean, numbers by their digits.
func jsonEqual(a, b []byte) bool {
	decode := func(text []byte) (v any, err error) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		err = d.Decode(&v)
		return v, err
	}
	va, err := decode(a)
	if err != nil {
		return false
	}
	vb, err := decode(b)
	return err == nil && cmp.Equal(va, vb)
}
