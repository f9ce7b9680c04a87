package shm

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	beat  = 100 * time.Millisecond // after so long, who waits looks who is still there
	spins = 200                    // looks before going to sleep: some 100 ns, while a wake-up takes 5 µs

	futexWait = 0 // FUTEX_WAIT and FUTEX_WAKE of linux/futex.h, shared between processes
	futexWake = 1
)

// event is where processes sleep until something happens.
type event struct{ waiting atomic.Uint32 }

// wake wakes all that sleep.
func (e *event) wake() {
	if e.waiting.Load() != 0 && e.waiting.Swap(0) != 0 {
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&e.waiting)), futexWake, 1<<30, 0, 0, 0)
	}
}

// sleep returns at the next wake, if there was none since waiting was set, or
// false after a beat.
func (e *event) sleep() bool {
	timeout := unix.NsecToTimespec(int64(beat))
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&e.waiting)), futexWait, 1, uintptr(unsafe.Pointer(&timeout)), 0, 0)
	runtime.KeepAlive(&timeout)
	return errno != unix.ETIMEDOUT
}

// mark is a position in a stream. It only grows, and others wait until it has
// come somewhere.
type mark struct {
	pos atomic.Uint64
	_   [56]byte // a cache line of its own

	event
	wanted atomic.Uint64 // the least position that somebody sleeps for; 0: anything
	_      [48]byte
}

// advance moves the mark.
func (m *mark) advance(pos uint64) {
	m.pos.Store(pos)
	if m.waiting.Load() != 0 && pos >= m.wanted.Load() {
		m.wakeAll()
	}
}

// wakeAll wakes also those for whom the mark has not come far enough.
func (m *mark) wakeAll() {
	m.wanted.Store(0)
	m.wake()
}

// await waits until the mark is at pos, or something else has happened. It
// returns false after a beat of nothing.
func (m *mark) await(pos uint64) bool {
	for range spins {
		if m.pos.Load() >= pos {
			return true
		}
	}
	// In this order nothing is missed: who advances the mark after the last look
	// finds both, and who has cleared wanted for another clears waiting after it.
	m.waiting.Store(1)
	for wanted := m.wanted.Load(); wanted == 0 || wanted > pos; wanted = m.wanted.Load() {
		if m.wanted.CompareAndSwap(wanted, pos) {
			break
		}
	}
	return m.pos.Load() >= pos || m.sleep()
}
