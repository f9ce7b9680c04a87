//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package fifo

const fionread = 0x4004667f // <sys/filio.h>
