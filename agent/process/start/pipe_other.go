//go:build !linux

package start

import "os"

func pipeCapacity(*os.File) int { return pumpChunk }

func readNow(*os.File, []byte) int { return 0 }
