package resources

import (
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Thresholds. None has a source outside this project: they are chosen so that a
// warning leaves time to act and a healthy job never sees one.
const (
	diskNear      = 0.97                // of the file system, with less than diskLittle left
	diskLittle    = 5 << 30             // bytes
	diskWindow    = 10 * time.Minute    // over which the growth of the disk is measured
	diskHistory   = 3 * time.Minute     // least history before a rate is believed
	diskUnknown   = time.Hour           // full sooner than this warns when the job's end is not known
	diskNever     = 30 * 24 * time.Hour // no job lasts so long
	shmNear       = 0.90                // of /dev/shm
	repeatWarning = 30 * time.Minute    // between two warnings of one kind
	history       = 64                  // looks that are kept
)

// warning is one resource_warning.
type warning struct {
	kind    string
	message string
	data    map[string]any
}

// rules judges readings as they come.
type rules struct {
	disk     []diskLook
	progress progressLook
	said     map[string]time.Time
}

func (r *rules) judge(look reading, progress float64, workspace string) []warning {
	left, leftKnown := r.progress.left(look.at, progress)
	var found []warning
	found = append(found, r.shm(look)...)
	found = append(found, r.diskNear(look, workspace)...)
	found = append(found, r.diskRate(look, workspace, left, leftKnown)...)
	return r.fresh(look.at, found)
}

// fresh drops what was said a short while ago.
func (r *rules) fresh(now time.Time, found []warning) []warning {
	if r.said == nil {
		r.said = map[string]time.Time{}
	}
	kept := found[:0]
	for _, w := range found {
		if at, ok := r.said[w.kind]; ok && now.Sub(at) < repeatWarning {
			continue
		}
		r.said[w.kind] = now
		kept = append(kept, w)
	}
	return kept
}

func (r *rules) shm(look reading) []warning {
	if look.shm == nil || float64(look.shm.Used()) < shmNear*float64(look.shm.Total) {
		return nil
	}
	return []warning{{"shm", fmt.Sprintf(
		"Shared memory (/dev/shm) is at %s of %s. Use fewer workers or mount a larger /dev/shm.",
		contract.Bytes(look.shm.Used()), contract.Bytes(look.shm.Total)),
		map[string]any{"resource": "shm", "used_bytes": look.shm.Used(), "total_bytes": look.shm.Total}}}
}

func (r *rules) diskNear(look reading, workspace string) []warning {
	d := look.disk
	if d == nil || d.Free > diskLittle || float64(d.Used()) < diskNear*float64(d.Total) {
		return nil
	}
	return []warning{{"disk", fmt.Sprintf("The disk of %s has %s of %s left.",
		workspace, contract.Bytes(d.Free), contract.Bytes(d.Total)),
		map[string]any{"resource": "disk", "path": workspace, "used_bytes": d.Used(), "total_bytes": d.Total}}}
}

// diskRate warns when the disk will be full before the job ends.
func (r *rules) diskRate(look reading, workspace string, left time.Duration, leftKnown bool) []warning {
	if look.disk == nil {
		return nil
	}
	r.disk = keepDisk(r.disk, diskLook{look.at, look.disk.Used()})
	rate, ok := diskGrowth(r.disk)
	if !ok {
		return nil
	}
	seconds := float64(look.disk.Free) / rate
	if seconds > diskNever.Seconds() {
		return nil // also keeps a slow rate from overflowing a Duration
	}
	full := time.Duration(seconds * float64(time.Second))
	if (leftKnown && full > left) || (!leftKnown && full > diskUnknown) {
		return nil
	}
	data := map[string]any{
		"resource": "disk", "path": workspace, "used_bytes": look.disk.Used(), "total_bytes": look.disk.Total,
		"bytes_per_second": int64(rate), "full_in_seconds": int64(full.Seconds()),
	}
	message := fmt.Sprintf("The disk of %s will be full in %s at the present rate (%s a minute).",
		workspace, full.Round(time.Minute), contract.Bytes(int64(rate*60)))
	if leftKnown {
		data["job_ends_in_seconds"] = int64(left.Seconds())
		message += fmt.Sprintf(" The job needs about %s more.", left.Round(time.Minute))
	}
	return []warning{{"disk_rate", message + " Keep fewer checkpoints or ask for a larger disk.", data}}
}
