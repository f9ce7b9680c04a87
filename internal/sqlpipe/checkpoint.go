package sqlpipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/sqltext"
)

// progressTable has a row for each name of --resume: how many statements are
// committed, and their digest.
const progressTable = "pipeworks_progress"

// checkpoint is how far a named run has come. It is saved in the transaction of
// the statements themselves, so that after a crash it is as true as they are.
type checkpoint struct {
	dialect sqltext.Dialect
	table   string // as a quoted name, with its database
	name    string
	key     string // name as a literal
	digest  hash.Hash
	seen    int64  // statements of the input so far
	saved   int64  // committed
	exists  bool   // the row does
	want    string // the digest of what was committed by the runs before
}

func newCheckpoint(name string, db dburl.URL) *checkpoint {
	t := sqltext.Table{Database: db.Database, Name: progressTable}
	if db.Dialect == sqltext.SQLite {
		t.Database = "main"
	}
	return &checkpoint{
		dialect: db.Dialect,
		table:   string(db.Dialect.AppendTable(nil, t)),
		name:    name,
		key:     string(db.Dialect.AppendText(nil, []byte(name))),
		digest:  sha256.New(),
	}
}

// load reads how far the run has come. It makes the table if there is none.
func (c *checkpoint) load(ctx context.Context, conn database.Conn) error {
	values, err := c.read(ctx, conn)
	if err != nil {
		types := "(name VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, statements BIGINT NOT NULL, digest CHAR(64) NOT NULL) ENGINE=InnoDB"
		if c.dialect == sqltext.SQLite {
			types = "(name TEXT NOT NULL PRIMARY KEY, statements INTEGER NOT NULL, digest TEXT NOT NULL)"
		}
		if _, err := database.Ask(ctx, conn, "CREATE TABLE IF NOT EXISTS "+c.table+" "+types); err != nil {
			return fmt.Errorf("keep the progress of %s: %w", c.name, err)
		}
		if values, err = c.read(ctx, conn); err != nil {
			return fmt.Errorf("read the progress of %s: %w", c.name, err)
		}
	}
	if c.exists = len(values) == 2; !c.exists {
		return nil
	}
	c.want = values[1]
	if c.saved, err = strconv.ParseInt(values[0], 10, 64); err != nil {
		return fmt.Errorf("read the progress of %s: %w", c.name, err)
	}
	return nil
}

// read returns the row of the run, if there is one: statements and digest.
func (c *checkpoint) read(ctx context.Context, conn database.Conn) ([]string, error) {
	return database.Ask(ctx, conn, "SELECT statements, digest FROM "+c.table+" WHERE name = "+c.key)
}

// isSaved reports whether a commit of which nothing is known was one.
func (c *checkpoint) isSaved(ctx context.Context, conn database.Conn) (bool, error) {
	values, err := c.read(ctx, conn)
	if err == nil {
		// A read would keep the chunk on the state of now.
		_, err = database.Ask(ctx, conn, "ROLLBACK")
	}
	return err == nil && len(values) == 2 && values[0] == strconv.FormatInt(c.seen, 10), err
}

// see passes over a statement that a run before has committed, and reports
// whether it is one. What sets up the session is run again.
func (c *checkpoint) see(ctx context.Context, s *session, st sqltext.Statement) (bool, error) {
	if c.seen >= c.saved {
		return false, nil
	}
	c.count(st.Text)
	if kindOf(st.Text, c.dialect) == ofSession {
		if err := s.exec(ctx, string(st.Text)); err != nil {
			return true, &database.StatementError{Source: st.Source, Line: st.Line, Err: err}
		}
		if s.cfg.Retries > 0 {
			s.keepSetting(st.Text)
		}
	}
	s.sum.Skipped++
	if c.seen == c.saved && c.sum() != c.want {
		return true, &changedError{c.name, c.saved}
	}
	return true, nil
}

// count adds a statement to those that were seen.
func (c *checkpoint) count(text []byte) {
	c.seen++
	c.digest.Write(text)
	c.digest.Write([]byte{0})
}

func (c *checkpoint) sum() string { return hex.EncodeToString(c.digest.Sum(nil)) }

// save writes how far the run has come. Another run of the same name that goes
// on from the same place is stopped by the row's key, or its count.
func (c *checkpoint) save(ctx context.Context, conn database.Conn) error {
	sql := fmt.Sprintf("UPDATE %s SET statements = %d, digest = '%s' WHERE name = %s AND statements = %d", c.table, c.seen, c.sum(), c.key, c.saved)
	if !c.exists {
		sql = fmt.Sprintf("INSERT INTO %s (name, statements, digest) VALUES (%s, %d, '%s')", c.table, c.key, c.seen, c.sum())
	}
	rows, err := conn.Query(ctx, []byte(sql))
	if err == nil && rows.Affected() != 1 {
		err = errOtherRun
	}
	if err == nil {
		err = rows.Close()
	}
	if err != nil {
		return fmt.Errorf("save the progress of %s: %w", c.name, err)
	}
	return nil
}

var errOtherRun = errors.New("another run has this name")

// end is called at the end of the input.
func (c *checkpoint) end() error {
	if c.seen < c.saved {
		return &changedError{c.name, c.saved}
	}
	return nil
}

// changedError is an input that is not the one of the runs before.
type changedError struct {
	name string
	done int64
}

func (e *changedError) Error() string {
	return fmt.Sprintf("resume %s: its first %d statements, which are committed, are not those of this input", e.name, e.done)
}

// Hint is how to begin anew.
func (e *changedError) Hint() string {
	return "a new input needs a new name; DELETE FROM " + progressTable + " WHERE name = … makes a name new"
}

// ExitStatus is that of a run that did nothing.
func (e *changedError) ExitStatus() int { return 2 }
