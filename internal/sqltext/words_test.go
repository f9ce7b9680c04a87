package sqltext

import (
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
