package cmdline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"pipeworks/internal/dburl"
)

// DBFlag is --db. It has no default to show: the environment's value may hold
// a password.
func DBFlag() cli.Flag {
	return &cli.StringFlag{Name: "db", Usage: "database `URL`: mysql://user@host/name, sqlite:FILE (default $PIPEWORKS_DB, else a file of your own)"}
}

// DBsFlag is --db of a tool that takes several.
func DBsFlag(several string) cli.Flag {
	return &cli.StringSliceFlag{Name: "db", Usage: "database `URL`: mysql://user@host/name, sqlite:FILE (default $PIPEWORKS_DB, else a file of your own); repeat it to " + several}
}

// ConnectionFlags are for a tool that connects, beside --db: where MySQL's user,
// password and address come from if the URL does not say.
func ConnectionFlags() []cli.Flag {
	return append(PasswordFlags(),
		&cli.StringFlag{Name: "defaults-file", Usage: "read MySQL's options from `FILE` alone"},
		&cli.StringFlag{Name: "defaults-extra-file", Usage: "read MySQL's options from `FILE`, too"},
		&cli.BoolFlag{Name: "no-defaults", Usage: "read no option files of MySQL"},
	)
}

// PasswordFlags say where a password comes from.
func PasswordFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "password-file", Usage: "the password is the first line of `FILE`"},
		&cli.StringFlag{Name: "password-command", Usage: "the password is the first line that `COMMAND` prints"},
		&cli.BoolFlag{Name: "ask-password", Usage: "ask for the password on the terminal"},
	}
}

// DB is the database that --db names, else the environment, else the default.
// It is enough to know the dialect; to connect takes Connection.
func (inv *Invocation) DB() (dburl.URL, error) { return inv.resolve(inv.String("db")) }

// DBs are the databases of a DBsFlag: one, if none or one is named.
func (inv *Invocation) DBs() ([]dburl.URL, error) {
	names := inv.StringSlice("db")
	if len(names) == 0 {
		names = []string{""}
	}
	dbs := make([]dburl.URL, len(names))
	for i, name := range names {
		var err error
		if dbs[i], err = inv.resolve(name); err != nil {
			return nil, err
		}
	}
	return dbs, nil
}

func (inv *Invocation) resolve(name string) (dburl.URL, error) {
	if inv.IsSet("db") && name == "" {
		return dburl.URL{}, &usageError{err: errors.New("--db is empty"), hint: "is the variable set that it was made of? Without --db there is a default"}
	}
	return dburl.Resolve(name, os.Getenv)
}

// Connection is the database that DB names, with all that connecting to it
// takes, as the ConnectionFlags say.
func (inv *Invocation) Connection(ctx context.Context) (dburl.URL, error) {
	u, err := inv.DB()
	if err != nil {
		return u, err
	}
	settings, err := inv.settings(ctx)
	if err != nil {
		return u, err
	}
	return settings.Complete(u)
}

// Connections are the databases that DBs names, with all that connecting to
// them takes.
func (inv *Invocation) Connections(ctx context.Context) ([]dburl.URL, error) {
	dbs, err := inv.DBs()
	if err != nil {
		return nil, err
	}
	settings, err := inv.settings(ctx)
	for i := range dbs {
		if err == nil {
			dbs[i], err = settings.Complete(dbs[i])
		}
	}
	return dbs, err
}

// settings are what the ConnectionFlags say. A password is asked for once.
func (inv *Invocation) settings(ctx context.Context) (dburl.Settings, error) {
	ask := sync.OnceValues(func() (dburl.Secret, error) { return askPassword(ctx) })
	password, err := inv.password(ctx, ask)
	return dburl.Settings{
		Getenv:            os.Getenv,
		Warn:              func(message string) { inv.Notef("warning: %s", message) },
		NoDefaults:        inv.Bool("no-defaults"),
		DefaultsFile:      inv.String("defaults-file"),
		DefaultsExtraFile: inv.String("defaults-extra-file"),
		Password:          password,
		Ask:               ask,
	}, err
}

// NoteDefaultDB says which database is used when nobody named one: before its
// file is made, and after a failure, which may be that of the wrong database.
func (inv *Invocation) NoteDefaultDB(u dburl.URL, failure error) {
	if !u.Default || inv.notedDB {
		return
	}
	if _, err := os.Stat(u.File); err == nil && failure == nil && !inv.Bool("verbose") {
		return
	}
	inv.notedDB = true
	inv.Notef("the database is %s (--db or $%s names another)", u.File, dburl.Env)
}

// Password is where the PasswordFlags, or else the variable env, say that it
// comes from, nil if they do not say.
func (inv *Invocation) Password(ctx context.Context, env string) (func() (dburl.Secret, error), error) {
	source, err := inv.password(ctx, sync.OnceValues(func() (dburl.Secret, error) { return askPassword(ctx) }))
	if text, ok := os.LookupEnv(env); ok && source == nil {
		source = func() (dburl.Secret, error) { return dburl.Secret(text), nil }
	}
	return source, err
}

// password is where the flags say that it comes from, nil if they do not say.
func (inv *Invocation) password(ctx context.Context, ask func() (dburl.Secret, error)) (source func() (dburl.Secret, error), err error) {
	given := 0
	if path := inv.String("password-file"); path != "" {
		source = func() (dburl.Secret, error) { return readPassword(path) }
		given++
	}
	if command := inv.String("password-command"); command != "" {
		source = sync.OnceValues(func() (dburl.Secret, error) { return inv.runPassword(ctx, command) })
		given++
	}
	if inv.Bool("ask-password") {
		source = ask
		given++
	}
	if given > 1 {
		return nil, Usagef("--password-file, --password-command and --ask-password: one of them")
	}
	return source, nil
}

func readPassword(path string) (dburl.Secret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", Usagef("--password-file: %w", err)
	}
	return firstLine(text), nil
}

// runPassword gives the command no input: standard input is the tool's.
func (inv *Invocation) runPassword(ctx context.Context, command string) (dburl.Secret, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Stderr = inv.streams.Err
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", Usagef("--password-command: %w", err)
	}
	return firstLine(out), nil
}

func firstLine(text []byte) dburl.Secret {
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return dburl.Secret(bytes.TrimSuffix(line, []byte{'\r'}))
}

// askPassword asks on the terminal, whatever standard input is.
func askPassword(ctx context.Context) (dburl.Secret, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", UsageHint(errors.New("there is no terminal to ask for the password"), "--password-file and --password-command need none")
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	fmt.Fprint(tty, "Password: ")
	go func() {
		line, err := term.ReadPassword(fd)
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		fmt.Fprintln(tty)
		if a.err != nil {
			return "", fmt.Errorf("ask for the password: %w", a.err)
		}
		return dburl.Secret(a.line), nil
	case <-ctx.Done(): // nothing can interrupt the read, but the terminal must show again what is typed
		_ = term.Restore(fd, before)
		fmt.Fprintln(tty)
		return "", context.Cause(ctx)
	}
}
