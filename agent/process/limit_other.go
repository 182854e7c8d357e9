//go:build !linux

package process

func leaveRoom(int) {}

func threadsToMake() int { return spareThreads }
