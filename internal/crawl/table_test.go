package crawl

import (
	"strconv"
	"testing"
)

// What was put is found, and nothing else, in memory and on disk alike.
func TestTable(t *testing.T) {
	var seen table
	defer seen.close()
	const n = inMemory // grows past the last table that is held in memory
	for i := range n {
		key := hash("http://a.test/", strconv.Itoa(i))
		if number, ok := seen.get(key); ok {
			t.Fatalf("%d is there already, as %d", i, number)
		}
		if err := seen.put(key, uint32(i)); err != nil {
			t.Fatal(err)
		}
	}
	if !seen.file {
		t.Error("the table is not on disk")
	}
	for i := range n {
		if number, ok := seen.get(hash("http://a.test/" + strconv.Itoa(i))); !ok || number != uint32(i) {
			t.Fatalf("%d: %d, %v", i, number, ok)
		}
	}
	if err := seen.put(hash("http://a.test/0"), 7); err != nil {
		t.Fatal(err)
	}
	if number, _ := seen.get(hash("http://a.test/0")); number != 7 || seen.used != n {
		t.Errorf("after a change: %d, %d entries", number, seen.used)
	}
}
