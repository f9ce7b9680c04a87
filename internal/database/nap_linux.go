package database

import "syscall"

// naps is how often a patient read naps behind a unix socket, where Linux wakes
// up who waits for each byte.
const naps = 5

// nap puts the thread to sleep. The runtime's own sleep would not do: its poller
// wakes up for what comes meanwhile.
func nap() {
	pause := syscall.Timespec{Nsec: 200_000}
	_ = syscall.Nanosleep(&pause, nil)
}
