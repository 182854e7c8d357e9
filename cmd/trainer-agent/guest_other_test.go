//go:build !linux

package main_test

// There is no guest elsewhere.
const guestVariable = "GUEST_BINARIES"

func guestInit() {}
