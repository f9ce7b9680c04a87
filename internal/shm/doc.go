// Package shm moves records between the processes of a machine through shared
// memory: a file in /dev/shm that each of them maps, with a ring in it.
//
// A Queue has many writers and one reader. A record counts once the position
// behind it is stored as the ring's head, and stays in the ring until the
// reader acknowledges it, which moves the tail. So nothing is lost with a
// reader that is killed, the next one begins at the tail; and of a writer that
// is killed in the middle of a record nobody sees anything, the next one
// begins at the head.
//
// A Line is two rings, one each way, between two processes.
//
// Who takes part holds a lock on a byte of the file for as long as it lives.
// The kernel drops it with the process, so that a dead one is always seen. Who
// waits sleeps in the kernel (futex(2)) and looks around ten times a second.
//
// The ring is mapped twice, the second time right behind the first, so that
// whatever begins in it lies in one piece. Its memory is allocated before it is
// used: with /dev/shm full, opening fails, and nothing dies of SIGBUS later.
//
// Processes that share a segment trust each other not to change what they have
// written, and not to truncate the file. Lengths are checked all the same.
package shm
