package sqltext

import (
	"slices"
	"strings"
)

// Template is a statement with parameters: :name, or :name!id for an
// identifier. Inside quotes and comments :name is text.
type Template struct {
	parts   []string // the text around the parameters: one more than these
	params  []Param
	quoted  []string
	comment bool
}

// Param is one place of a parameter in a Template.
type Param struct {
	Name       string
	Identifier bool // written :name!id
}

// ParseTemplate finds the parameters of sql.
func ParseTemplate(sql string, d Dialect) *Template {
	t := &Template{}
	start := 0
	for i := 0; i < len(sql); {
		if n := hiddenLen(sql[i:], d); n > 0 {
			t.addQuoted(sql[i : i+n])
			t.comment = i+n == len(sql) && (sql[i] == '#' || sql[i] == '-') && sql[i+n-1] != '\n'
			i += n
			continue
		}
		n := paramLen(sql, i)
		if n == 0 {
			i++
			continue
		}
		p := Param{Name: sql[i+1 : i+n]}
		t.parts = append(t.parts, sql[start:i])
		i += n
		if rest, ok := strings.CutPrefix(sql[i:], "!id"); ok && (rest == "" || !isWord(rest[0])) {
			p.Identifier = true
			i += len("!id")
		}
		t.params = append(t.params, p)
		start = i
	}
	t.parts = append(t.parts, sql[start:])
	return t
}

// paramLen is the length of the :name at sql[i:], 0 if there is none. A colon
// behind a word or another colon begins none (a::text, @a:=1).
func paramLen(sql string, i int) int {
	if i >= len(sql) || sql[i] != ':' || i > 0 && (isWord(sql[i-1]) || sql[i-1] == ':') {
		return 0
	}
	n := 1
	for i+n < len(sql) && isWord(sql[i+n]) && sql[i+n] != '$' {
		n++
	}
	if n == 1 || '0' <= sql[i+1] && sql[i+1] <= '9' {
		return 0
	}
	return n
}

// hiddenLen is the length of the quoted text or comment that sql begins with,
// 0 if it begins with none.
func hiddenLen(sql string, d Dialect) int {
	closing, escapes := "", false
	switch c := sql[0]; {
	case c == '\'' || c == '"' || c == '`':
		closing, escapes = sql[:1], d == MySQL && c != '`'
	case c == '[' && d == SQLite:
		closing = "]"
	case c == '#' && d == MySQL, strings.HasPrefix(sql, "--") && (d == SQLite || len(sql) == 2 || isSpace(sql[2])):
		closing = "\n"
	case strings.HasPrefix(sql, "/*") && (d == SQLite || !isMacro([]byte(sql[:min(len(sql), 4)]))):
		if i := strings.Index(sql[2:], "*/"); i >= 0 {
			return i + 4
		}
		return len(sql)
	default:
		return 0
	}
	for i := 1; i < len(sql); i++ {
		if escapes && sql[i] == '\\' {
			i++
		} else if sql[i] == closing[0] {
			return i + 1
		}
	}
	return len(sql)
}

// addQuoted notes a quoted text that is a parameter and nothing else.
func (t *Template) addQuoted(text string) {
	if n := paramLen(text[1:], 0); n > 0 && n+2 == len(text) {
		t.quoted = append(t.quoted, text[2:1+n])
	}
}

// EndsInComment reports whether the template ends in a comment that the end of
// the line ends, in which a terminator would be lost.
func (t *Template) EndsInComment() bool { return t.comment }

// Names are the names of the parameters, each once.
func (t *Template) Names() []string {
	var names []string
	for _, p := range t.params {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// Quoted are the names that stand in quotes of their own, where they are text:
// ':name' is a common mistake.
func (t *Template) Quoted() []string { return t.quoted }

// Append appends the statement, with what appendParam appends for each
// parameter.
func (t *Template) Append(dst []byte, appendParam func([]byte, Param) ([]byte, error)) ([]byte, error) {
	var err error
	for i, p := range t.params {
		dst = append(dst, t.parts[i]...)
		if dst, err = appendParam(dst, p); err != nil {
			return dst, err
		}
	}
	return append(dst, t.parts[len(t.params)]...), nil
}
