package gpu

import (
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// xid judges one XID. After the child's end it is not the training's any more.
func (m *Monitor) xid(line contract.ProbeLine, now time.Time) []contract.GPUFault {
	if !m.child.ended.IsZero() {
		return nil
	}
	d := m.device(line.UUID)
	if d == nil {
		d = &device{info: contract.ProbeGPU{UUID: line.UUID, Index: -1}}
	}
	f := contract.GPUFault{UUID: d.info.UUID, Index: d.info.Index, XID: line.XID, Time: now, Kind: contract.GPUXID, Fatal: true}
	f.Message = fmt.Sprintf("GPU %d reported XID %d%s", d.info.Index, line.XID, meaning(line.XID))
	switch m.table.class(line.XID) {
	case classNoise:
		return nil
	case classContained:
		f.Kind = contract.GPUContained
	case classReset:
		f.Kind = contract.GPUNeedsReset
	case classMachine:
		f.Kind = contract.GPUMachine
		if line.XID == 79 {
			f.Kind, d.lost = contract.GPULost, true
			f.Message = fmt.Sprintf("GPU %d dropped off the PCIe bus (XID 79)", d.info.Index)
		}
	case classApplication:
		f.Fatal = false
		f.Message += m.suspicion(d, line.XID, now)
	default:
		f.Fatal = false
	}
	return []contract.GPUFault{f}
}

func meaning(xid int) string {
	if words, ok := xidMeans[xid]; ok {
		return ": " + words
	}
	return ""
}

// suspicion: 13 or 31 twice on one GPU points at the hardware, on different GPUs
// at the software.
func (m *Monitor) suspicion(d *device, xid int, now time.Time) string {
	if xid != 13 && xid != 31 {
		return ""
	}
	here, elsewhere := 0, 0
	for _, other := range m.devices {
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
