package resources

import (
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
)

// prefetch is torch's DataLoader default: batches that each worker holds ready.
// Source: torch.utils.data.DataLoader(prefetch_factor=2).
const prefetch = 2

// largestOwnSize is the largest side, in pixels, that a model of the trainers
// chooses where IMAGE_SIZE is not set: a detector's.
const largestOwnSize = 640

// ShmNeed estimates the bytes of /dev/shm that the workers of a DataLoader fill:
// every batch in flight lies there as a three-channel tensor. Ultralytics and
// timm send bytes, Hugging Face's image processors send float32.
func ShmNeed(framework string, workers, batch, imageSize int) int64 {
	if workers <= 0 || batch <= 0 {
		return 0
	}
	bytesPerValue := int64(4)
	switch framework {
	case contract.FrameworkUltralytics, contract.FrameworkTimm:
		bytesPerValue = 1
	}
	side := int64(sideOf(imageSize))
	image := 3 * side * side * bytesPerValue
	return int64(workers) * prefetch * int64(batch) * image
}

// sideOf is IMAGE_SIZE, or the largest that a model may choose where it is not set.
func sideOf(imageSize int) int {
	if imageSize <= 0 {
		return largestOwnSize
	}
	return imageSize
}

// startWarnings is what is known before anything fails.
func (o Options) startWarnings(ev contract.SystemEvidence) []warning {
	need := ShmNeed(o.Framework, o.NumWorkers, o.BatchSize, o.ImageSize)
	if !ev.Shm.Known() || need <= ev.Shm.MinFreeBytes {
		return nil
	}
	fits := int(float64(o.NumWorkers) * float64(ev.Shm.MinFreeBytes) / float64(need))
	return []warning{{"shm_start", fmt.Sprintf(
		"Shared memory (/dev/shm) has %s, but %d workers with batches of %d images of %d pixels need about %s. "+
			"Mount a larger /dev/shm or use %s.",
		contract.Bytes(ev.Shm.MinFreeBytes), o.NumWorkers, o.BatchSize, sideOf(o.ImageSize), contract.Bytes(need), fewer(fits)),
		map[string]any{
			"resource": "shm", "need_bytes": need, "free_bytes": ev.Shm.MinFreeBytes,
			"total_bytes": ev.Shm.TotalBytes, "num_workers": o.NumWorkers, "fitting_workers": fits,
		}}}
}

// fewer is the advice where so many workers fit.
func fewer(fits int) string {
	switch fits {
	case 0:
		return "smaller batches; NUM_WORKERS=0 needs no shared memory"
	case 1:
		return "one worker"
	}
	return fmt.Sprintf("at most %d workers", fits)
}
