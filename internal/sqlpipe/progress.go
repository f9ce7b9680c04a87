package sqlpipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
	"pipeworks/internal/sqltext"
)

// progressTable has a row for each name of --resume: how many statements are
// committed, and their digest.
const progressTable = "pipeworks_progress"

// progress is how far a named run has come. It is saved in the transaction of
// the statements themselves, so that after a crash it is as true as they are.
type progress struct {
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

func newProgress(name string, db dburl.URL) *progress {
	t := sqltext.Table{Database: db.Database, Name: progressTable}
	if db.Dialect == sqltext.SQLite {
		t.Database = "main"
	}
	return &progress{
		dialect: db.Dialect,
		table:   string(db.Dialect.AppendTable(nil, t)),
		name:    name,
		key:     string(db.Dialect.AppendText(nil, []byte(name))),
		digest:  sha256.New(),
	}
}

// load reads how far the run has come. It makes the table if there is none.
func (p *progress) load(ctx context.Context, conn database.Conn) error {
	table, err := p.read(ctx, conn)
	if err != nil {
		types := "(name VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, statements BIGINT NOT NULL, digest CHAR(64) NOT NULL) ENGINE=InnoDB"
		if p.dialect == sqltext.SQLite {
			types = "(name TEXT NOT NULL PRIMARY KEY, statements INTEGER NOT NULL, digest TEXT NOT NULL)"
		}
		if _, err := query(ctx, conn, "CREATE TABLE IF NOT EXISTS "+p.table+" "+types); err != nil {
			return fmt.Errorf("keep the progress of %s: %w", p.name, err)
		}
		if table, err = p.read(ctx, conn); err != nil {
			return fmt.Errorf("read the progress of %s: %w", p.name, err)
		}
	}
	if p.exists = len(table) == 1; !p.exists {
		return nil
	}
	p.want = table[0][1]
	if p.saved, err = strconv.ParseInt(table[0][0], 10, 64); err != nil {
		return fmt.Errorf("read the progress of %s: %w", p.name, err)
	}
	return nil
}

func (p *progress) read(ctx context.Context, conn database.Conn) ([][]string, error) {
	return query(ctx, conn, "SELECT statements, digest FROM "+p.table+" WHERE name = "+p.key)
}

// isSaved reports whether a commit of which nothing is known was one.
func (p *progress) isSaved(ctx context.Context, conn database.Conn) (bool, error) {
	table, err := p.read(ctx, conn)
	if err == nil {
		// A read would keep the chunk on the state of now.
		_, err = query(ctx, conn, "ROLLBACK")
	}
	return err == nil && len(table) == 1 && table[0][0] == strconv.FormatInt(p.seen, 10), err
}

// see passes over a statement that a run before has committed, and reports
// whether it is one. What sets up the session is run again.
func (p *progress) see(ctx context.Context, s *session, st sqltext.Statement) (bool, error) {
	if p.seen >= p.saved {
		return false, nil
	}
	p.count(st.Text)
	if kindOf(st.Text, p.dialect) == ofSession {
		if err := s.exec(ctx, string(st.Text)); err != nil {
			return true, &database.StatementError{Source: st.Source, Line: st.Line, Err: err}
		}
		if s.cfg.Retries > 0 {
			s.keepSetting(st.Text)
		}
	}
	s.sum.Skipped++
	if p.seen == p.saved && p.sum() != p.want {
		return true, &changedError{p.name, p.saved}
	}
	return true, nil
}

// count adds a statement to those that were seen.
func (p *progress) count(text []byte) {
	p.seen++
	p.digest.Write(text)
	p.digest.Write([]byte{0})
}

func (p *progress) sum() string { return hex.EncodeToString(p.digest.Sum(nil)) }

// save writes how far the run has come. Another run of the same name that goes
// on from the same place is stopped by the row's key, or its count.
func (p *progress) save(ctx context.Context, conn database.Conn) error {
	sql := fmt.Sprintf("UPDATE %s SET statements = %d, digest = '%s' WHERE name = %s AND statements = %d", p.table, p.seen, p.sum(), p.key, p.saved)
	if !p.exists {
		sql = fmt.Sprintf("INSERT INTO %s (name, statements, digest) VALUES (%s, %d, '%s')", p.table, p.key, p.seen, p.sum())
	}
	rows, err := conn.Query(ctx, []byte(sql))
	if err == nil && rows.Affected() != 1 {
		err = errOtherRun
	}
	if err == nil {
		err = rows.Close()
	}
	if err != nil {
		return fmt.Errorf("save the progress of %s: %w", p.name, err)
	}
	return nil
}

var errOtherRun = errors.New("another run has this name")

// end is called at the end of the input.
func (p *progress) end() error {
	if p.seen < p.saved {
		return &changedError{p.name, p.saved}
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

// query returns the rows of a query of the program's own.
func query(ctx context.Context, conn database.Conn, sql string) (table [][]string, err error) {
	rows, err := conn.Query(ctx, []byte(sql))
	if err != nil {
		return nil, err
	}
	values := make([]record.Value, len(rows.Columns()))
	for {
		if err = rows.Next(values); err != nil {
			break
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = string(v.Bytes)
		}
		table = append(table, row)
	}
	if err == io.EOF {
		err = nil
	}
	return table, errors.Join(err, rows.Close())
}
