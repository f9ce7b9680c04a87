package crawl

import (
	"encoding/binary"
	"hash/maphash"
	"io"
	"os"
	"syscall"
)

// table maps texts to numbers by their hashes of 64 bits, so that ten million
// URLs take 16 to 32 bytes each and not their own length. Two texts of one hash are
// one: for ten million that is a chance of one in 300,000. Beyond inMemory slots
// it lies in a file without a name, of which memory holds what is in use.
// Its users lock it. The zero value is empty.
type table struct {
	slots []byte // of slotSize: hash, 0 for an empty one, and number
	used  int
	file  bool // slots are a mapped file
}

const (
	slotSize   = 12
	firstSlots = 1 << 10
	inMemory   = 1 << 18
)

var tableSeed = maphash.MakeSeed()

// hash is the key of the concatenated texts, never 0.
func hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(tableSeed)
	for _, text := range texts {
		_, _ = h.WriteString(text)
	}
	return max(h.Sum64(), 1)
}

// get returns the number of a key, and whether there is one.
func (t *table) get(key uint64) (number uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	slot := t.find(key)
	return binary.LittleEndian.Uint32(slot[8:]), binary.LittleEndian.Uint64(slot) == key
}

// put sets the number of a key.
func (t *table) put(key uint64, number uint32) error {
	if t.used*4 >= len(t.slots)/slotSize*3 {
		if err := t.grow(); err != nil {
			return err
		}
	}
	slot := t.find(key)
	if binary.LittleEndian.Uint64(slot) != key {
		t.used++
		binary.LittleEndian.PutUint64(slot, key)
	}
	binary.LittleEndian.PutUint32(slot[8:], number)
	return nil
}

// find returns the slot of a key, or the empty one that it would take.
func (t *table) find(key uint64) []byte {
	n := uint64(len(t.slots) / slotSize)
	for i := key % n; ; i = (i + 1) % n {
		slot := t.slots[i*slotSize:][:slotSize]
		if k := binary.LittleEndian.Uint64(slot); k == key || k == 0 {
			return slot
		}
	}
}

func (t *table) grow() error {
	bigger := table{used: t.used}
	var err error
	if n := max(2*len(t.slots), firstSlots*slotSize); n <= inMemory*slotSize {
		bigger.slots = make([]byte, n)
	} else if bigger.slots, err = mapFile(n); err != nil {
		return err
	} else {
		bigger.file = true
	}
	for old := t.slots; len(old) > 0; old = old[slotSize:] {
		if key := binary.LittleEndian.Uint64(old); key != 0 {
			copy(bigger.find(key), old[:slotSize])
		}
	}
	t.close()
	*t = bigger
	return nil
}

// mapFile maps a new file of n zeros, which goes when its mapping does.
func mapFile(n int) ([]byte, error) {
	f, err := temporary()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Written and not just made long: where the disk is full this is an error,
	// and a later store through the mapping would be the end of the process.
	if _, err := io.CopyN(f, zeros{}, int64(n)); err != nil {
		return nil, err
	}
	return syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// temporary makes a file that has no name any more, so that nothing is left
// however the run ends.
func temporary() (*os.File, error) {
	f, err := os.CreateTemp("", "crawl-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// close gives the memory back.
func (t *table) close() {
	if t.file {
		_ = syscall.Munmap(t.slots)
	}
	*t = table{}
}
