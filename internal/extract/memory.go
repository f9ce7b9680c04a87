package extract

import "sync"

// memory is what those who build trees share.
type memory struct {
	mu    sync.Mutex
	freed *sync.Cond
	left  int
}

func newMemory(size int) *memory {
	m := &memory{left: size}
	m.freed = sync.NewCond(&m.mu)
	return m
}

// take waits until n bytes are free. Who holds some needs no more to go on.
func (m *memory) take(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.left < n {
		m.freed.Wait()
	}
	m.left -= n
}

func (m *memory) give(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left += n
	m.freed.Broadcast()
}
