package resources

import "time"

type diskLook struct {
	at   time.Time
	used int64
}

// keepDisk appends a look and drops what is older than the window.
func keepDisk(looks []diskLook, l diskLook) []diskLook {
	looks = append(looks, l)
	for len(looks) > history || l.at.Sub(looks[0].at) > diskWindow {
		looks = looks[1:]
	}
	return looks
}

// diskGrowth is the rate at which the disk fills, in bytes a second. A checkpoint
// that is written and deleted again is no growth, so the highest use in the
// newest third of the window is compared with the highest in the oldest third.
func diskGrowth(looks []diskLook) (float64, bool) {
	n := len(looks)
	if n < 6 || looks[n-1].at.Sub(looks[0].at) < diskHistory {
		return 0, false
	}
	oldest, newest := highest(looks[:n/3]), highest(looks[n-n/3:])
	seconds := newest.at.Sub(oldest.at).Seconds()
	grown := newest.used - oldest.used
	if grown <= 0 || seconds <= 0 {
		return 0, false
	}
	return float64(grown) / seconds, true
}

// highest is the first of the looks with the most use.
func highest(looks []diskLook) diskLook {
	top := looks[0]
	for _, l := range looks[1:] {
		if l.used > top.used {
			top = l
		}
	}
	return top
}

// progressLook remembers when progress was first seen, for the time that is left.
type progressLook struct {
	at      time.Time
	percent float64
}

// left is the time until 100 % at the pace since the first progress.
func (p *progressLook) left(now time.Time, percent float64) (time.Duration, bool) {
	if !(percent > 0) || percent > 100 {
		return 0, false
	}
	if p.at.IsZero() {
		p.at, p.percent = now, percent
		return 0, false
	}
	elapsed, done := now.Sub(p.at), percent-p.percent
	if elapsed < diskHistory || done <= 0 {
		return 0, false
	}
	return time.Duration(float64(elapsed) * (100 - percent) / done), true
}
