package sqltext

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"select 1", "SELECT 1"},
		{"SELECT a, b", "SELECT A"},
		{"/*!50003 create definer = x */", "CREATE DEFINER"},
		{"/*!40101 SET NAMES utf8 */", "SET NAMES"},
		{"/*M!100401 SET */ SESSION x", "SET SESSION"},
		{"-- one\n# two\n/* three */ CREATE /* four */ TEMPORARY TABLE", "CREATE TEMPORARY"},
		{"(SELECT 1)", ""},
		{"SET @a = 1", "SET"},
		{"/* open", ""},
		{"/*!", ""},
		{"#", ""},
		{"", ""},
	} {
		if got := strings.Join(Words([]byte(tt.text), 2), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// Fewer words are the beginning of more, each is a word, and white space before
// the statement changes none.
func FuzzWords(f *testing.F) {
	f.Add("/*!50003 create definer = x */")
	f.Add("/* a */ -- b\n# c\nSELECT 1")
	f.Add("/*M!100401 SET */ SESSION x")
	f.Fuzz(func(t *testing.T, text string) {
		few, many := Words([]byte(text), 2), Words([]byte(" \n"+text), 4)
		if len(few) > len(many) || !slices.Equal(few, many[:len(few)]) || len(few) < 2 && len(many) != len(few) {
			t.Fatalf("%q: %q and %q", text, few, many)
		}
		for _, word := range many {
			if word == "" || word != strings.ToUpper(word) {
				t.Fatalf("%q: %q", text, many)
			}
		}
	})
}
