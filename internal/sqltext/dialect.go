// Package sqltext knows the text of SQL: how values and names are quoted, where
// the statements of a script end, and where a statement's parameters stand. It
// knows no server.
package sqltext

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Dialect is a family of servers that read SQL alike.
type Dialect uint8

// The dialects.
const (
	MySQL Dialect = iota // MariaDB too
	SQLite
)

func (d Dialect) String() string { return [...]string{"mysql", "sqlite"}[d] }

// ParseDialect returns the dialect called name: mysql, mariadb or sqlite.
func ParseDialect(name string) (Dialect, error) {
	switch name {
	case "mysql", "mariadb":
		return MySQL, nil
	case "sqlite":
		return SQLite, nil
	}
	return MySQL, fmt.Errorf("unknown dialect %q: it is one of mysql, mariadb, sqlite", name)
}

// maxIdent is the longest identifier of MySQL in characters (manual: Identifier
// Length Limits).
const maxIdent = 64

// CheckIdent reports why the dialect has no identifier called name. A control
// character is refused, although quotes would hold it: a statement is one line.
func (d Dialect) CheckIdent(name string) error {
	switch {
	case name == "":
		return errors.New("an empty name")
	case !utf8.ValidString(name):
		return errors.New("a name that is not UTF-8")
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return errors.New("a name with a control character")
	case d == SQLite:
		return nil
	case utf8.RuneCountInString(name) > maxIdent:
		return fmt.Errorf("a name of more than %d characters", maxIdent)
	case strings.HasSuffix(name, " "):
		return errors.New("a name that ends in a space")
	case strings.ContainsFunc(name, func(r rune) bool { return r > 0xffff }):
		return errors.New("a name with a character beyond U+FFFF, which MySQL has not in names")
	}
	return nil
}

// AppendIdent appends name as a quoted identifier: in backticks for MySQL, which
// ANSI_QUOTES does not change, and in double quotes for SQLite.
func (d Dialect) AppendIdent(dst []byte, name string) []byte {
	quote := byte('`')
	if d == SQLite {
		quote = '"'
	}
	dst = append(dst, quote)
	for {
		i := strings.IndexByte(name, quote)
		if i < 0 {
			break
		}
		dst = append(append(dst, name[:i+1]...), quote)
		name = name[i+1:]
	}
	return append(append(dst, name...), quote)
}

// Table names a table, in a database if Database is not empty.
type Table struct{ Database, Name string }

// ParseTable reads `table` or `database.table`. A name with a dot in it stands
// in backticks or double quotes, doubled inside: shop.`orders.2024`.
func ParseTable(s string) (Table, error) {
	first, rest, err := parseName(s)
	if err != nil {
		return Table{}, err
	}
	if rest == "" {
		return Table{Name: first}, nil
	}
	second, rest, err := parseName(strings.TrimPrefix(rest, "."))
	if err != nil {
		return Table{}, err
	}
	if rest != "" {
		return Table{}, errors.New("more than database.table; a name with a dot stands in backticks")
	}
	return Table{first, second}, nil
}

// parseName reads one name up to a dot or the end.
func parseName(s string) (name, rest string, err error) {
	if s == "" || s[0] != '`' && s[0] != '"' {
		if i := strings.IndexByte(s, '.'); i >= 0 {
			return s[:i], s[i:], nil
		}
		return s, "", nil
	}
	quote := s[:1]
	var b strings.Builder
	for rest = s[1:]; ; {
		i := strings.Index(rest, quote)
		if i < 0 {
			return "", "", errors.New("a quoted name without its closing quote")
		}
		b.WriteString(rest[:i])
		rest = rest[i+1:]
		if !strings.HasPrefix(rest, quote) {
			break
		}
		b.WriteString(quote)
		rest = rest[1:]
	}
	if rest != "" && rest[0] != '.' {
		return "", "", errors.New("text behind a quoted name")
	}
	return b.String(), rest, nil
}

// CheckTable reports why the dialect has no table of that name.
func (d Dialect) CheckTable(t Table) error {
	if t.Database != "" {
		if err := d.CheckIdent(t.Database); err != nil {
			return err
		}
	}
	return d.CheckIdent(t.Name)
}

// AppendTable appends the quoted name of t.
func (d Dialect) AppendTable(dst []byte, t Table) []byte {
	if t.Database != "" {
		dst = append(d.AppendIdent(dst, t.Database), '.')
	}
	return d.AppendIdent(dst, t.Name)
}
