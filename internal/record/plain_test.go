package record

import "testing"

// What plain says is plain is so, wherever the byte stands that is not.
func TestPlain(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				s := make([]byte, n)
				for i := range s {
					s[i] = 'x'
				}
				s[at] = byte(c)
				want := c >= 0x20 && c < 0x7f && c != '"' && c != '\\'
				if got := plain(s, '"', '\\'); got && !want || !got && want && n < 8 {
					t.Fatalf("%q: %t", s, got)
				}
			}
		}
	}
	if !plain([]byte("Name Number 12345, user@example.com"), '"', '\\') {
		t.Error("a plain text is not seen to be one")
	}
}
