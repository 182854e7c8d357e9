package clock

import (
	"testing"
	"time"
)

func TestWhatAClockCounts(t *testing.T) {
	cases := map[string]struct {
		gap     time.Duration
		stopped bool
		want    time.Duration
	}{
		"a second as any other":                 {time.Second, false, time.Second},
		"a machine under load is no pause":      {8 * time.Second, false, 8 * time.Second},
		"a container that was frozen for hours": {3 * time.Hour, false, time.Second},
		"a child that is stopped":               {time.Second, true, 0},
	}
	for name, tc := range cases {
		if got := counted(tc.gap, time.Second, tc.stopped); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
