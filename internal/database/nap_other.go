//go:build !linux

package database

const naps = 0

func nap() {}
