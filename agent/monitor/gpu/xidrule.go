package gpu

import (
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// xid judges one XID. After the child's end it is not the training's any more.
func (f *fleet) xid(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	if !f.child.ended.IsZero() {
		return nil
	}
	d := f.device(line.UUID)
	if d == nil {
		d = &device{info: contract.ProbeGPU{UUID: line.UUID, Index: -1}}
	}
	fault := contract.GPUFault{UUID: d.info.UUID, Index: d.info.Index, XID: line.XID, Time: now, Kind: contract.GPUXID, Fatal: true}
	fault.Message = fmt.Sprintf("GPU %d reported XID %d%s", d.info.Index, line.XID, meaning(line.XID))
	switch f.table.class(line.XID) {
	case classNoise:
		return nil
	case classContained:
		fault.Kind = contract.GPUContained
	case classReset:
		fault.Kind = contract.GPUNeedsReset
	case classMachine:
		fault.Kind = contract.GPUMachine
		if line.XID == 79 {
			fault.Kind, d.lost = contract.GPULost, true
			fault.Message = fmt.Sprintf("GPU %d dropped off the PCIe bus (XID 79)", d.info.Index)
		}
	case classApplication:
		fault.Fatal = false
		fault.Message += f.suspicion(d, line.XID, now)
	default:
		fault.Fatal = false
	}
	return []contract.GPUFault{fault}
}

func meaning(xid int) string {
	if words, ok := xidMeans[xid]; ok {
		return ": " + words
	}
	return ""
}

// suspicion: 13 or 31 twice on one GPU points at the hardware, on different GPUs
// at the software.
func (f *fleet) suspicion(d *device, xid int, now time.Time) string {
	if xid != 13 && xid != 31 {
		return ""
	}
	here, elsewhere := 0, 0
	for _, other := range f.devices {
		for _, seen := range other.xids {
			if seen.xid != xid || now.Sub(seen.at) > suspectWithin {
				continue
			}
			if other == d {
				here++
			} else {
				elsewhere++
			}
		}
	}
	d.xids = append(d.xids, xidSeen{now, xid})
	if len(d.xids) > maxFaults {
		d.xids = d.xids[1:]
	}
	switch {
	case elsewhere > 0:
		return "; it came on several GPUs, so suspect the software"
	case here > 0:
		return fmt.Sprintf("; %d times on this GPU within a day, so suspect the hardware", here+1)
	}
	return ""
}
