package gpu

import "slices"

// class says what an XID means for the job.
type class int

const (
	classWarn        class = iota // also every XID that is not in the table
	classNoise                    // follows from something else
	classApplication              // the training's own doing, as a rule
	classContained                // ends this job only
	classReset                    // the GPU needs a reset, or the machine a reboot
	classMachine                  // the whole machine is suspect
)

// xidClasses is the table of the GPU specification, from NVIDIA's XID catalogue
// (https://docs.nvidia.com/deploy/xid-errors/).
var xidClasses = map[class][]int{
	classApplication: {8, 11, 13, 25, 31, 32, 43, 68, 69},
	classNoise:       {45, 154},
	classContained:   {94},
	classReset:       {46, 48, 62, 64, 74, 95, 109, 110, 119, 120, 136, 140, 143, 155, 156, 158},
	classMachine:     {54, 79, 151},
	classWarn:        {63, 92, 93, 121},
}

// xidMeans are the words for the ones that people meet.
var xidMeans = map[int]string{
	8: "a GPU kernel ran into its time limit", 13: "a GPU kernel made an invalid access (graphics engine exception)",
	31: "a GPU kernel touched memory that is not its own (MMU fault)", 43: "a GPU kernel stopped because of a software fault",
	46: "the GPU stopped processing", 48: "an uncorrectable memory error (double-bit ECC)", 54: "the auxiliary power is not connected",
	62: "the GPU's own controller halted", 63: "a bad memory row will be replaced at the next reset", 64: "a bad memory row could not be replaced",
	68: "the video processor failed", 74: "an NVLink connection failed", 79: "it dropped off the PCIe bus",
	92: "many correctable memory errors", 94: "an uncorrectable memory error that only this job sees", 95: "an uncorrectable memory error that could not be contained",
	109: "a context switch timed out", 119: "the GPU's system processor does not answer (GSP timeout)", 120: "the GPU's system processor failed (GSP error)",
	121: "an error on the chip-to-chip link", 140: "an uncorrectable memory error (unrecovered ECC)",
}

// xidTable is the table with the operator's changes.
type xidTable struct{ fatal, ignore []int }

func (t xidTable) class(xid int) class {
	switch {
	case slices.Contains(t.ignore, xid):
		return classNoise
	case slices.Contains(t.fatal, xid):
		return classReset
	}
	for c, xids := range xidClasses {
		if slices.Contains(xids, xid) {
			return c
		}
	}
	return classWarn
}
