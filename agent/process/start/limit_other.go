//go:build !linux

package start

func leaveRoom(int) {}

func threadsToMake() int { return spareThreads }
