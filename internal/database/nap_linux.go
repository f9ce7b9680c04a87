package database

import "syscall"

// naps is how often a patient socket naps before it waits as any other.
const naps = 20

// nap puts the thread to sleep for a moment. The runtime's own sleep would not
// do: its poller wakes up for what comes meanwhile.
func nap() {
	pause := syscall.Timespec{Nsec: 200_000}
	_ = syscall.Nanosleep(&pause, nil)
}
