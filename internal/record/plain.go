package record

import "encoding/binary"

// plain reports whether s is ASCII without control characters and without the
// bytes a and b, which a format writes otherwise than they are. Most texts are,
// and eight bytes at a time are seen to be. False can be wrong.
func plain(s []byte, a, b byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	zero := func(v uint64) uint64 { return (v - ones) &^ v } // has the high bit of a byte that is 0
	for ; len(s) >= 8; s = s[8:] {
		v := binary.LittleEndian.Uint64(s)
		if (v|(v-0x20*ones)|zero(v^uint64(a)*ones)|zero(v^uint64(b)*ones)|zero(v^0x7f*ones))&highs != 0 {
			return false
		}
	}
	for _, c := range s {
		if c < 0x20 || c >= 0x7f || c == a || c == b {
			return false
		}
	}
	return true
}
