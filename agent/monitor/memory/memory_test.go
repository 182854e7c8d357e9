package memory

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
)

func TestMemoryWatchWarnsOnceALevelAndAgainAfterRelief(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readings := []int64{50, 89, 90, 92, 95, 99, 91, 96, 86, 90, 84, 90, 94}
		ctx, cancel := context.WithCancel(t.Context())
		const gib = 1 << 30
		var warned []int
		next := 0
		watch := Watch{
			Read: func() (host.Memory, error) {
				m := host.Memory{Used: readings[next] * gib, Limit: 100 * gib}
				if next++; next == len(readings) {
					cancel()
				}
				return m, nil
			},
			Eased: func() { warned = append(warned, -1) },
			Warn:  func(level int, m host.Memory) { warned = append(warned, level, int(m.Used/gib)) },
		}
		watch.Run(ctx)
		if want := []int{90, 90, 95, 95, -1, 90, 90}; !slices.Equal(warned, want) {
			t.Errorf("warned %v, want %v", warned, want)
		}
	})
}

// A full container is where a reading fails.
func TestAReadingThatFailsOnceDoesNotEndTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		readings, warned := 0, 0
		Watch{
			Read: func() (host.Memory, error) {
				switch readings++; readings {
				case 1:
					return host.Memory{Used: 50 << 30, Limit: 100 << 30}, nil
				case 2:
					return host.Memory{}, errors.New("too many open files")
				}
				cancel()
				return host.Memory{Used: 91 << 30, Limit: 100 << 30}, nil
			},
			Warn: func(int, host.Memory) { warned++ },
		}.Run(ctx)
		if warned != 1 {
			t.Errorf("%d warnings after %d readings", warned, readings)
		}
	})
}

func TestMemoryWatchEndsWhereThereIsNothingToWatch(t *testing.T) {
	for _, read := range []func() (host.Memory, error){
		func() (host.Memory, error) { return host.Memory{}, errors.New("no cgroup") },
		func() (host.Memory, error) { return host.Memory{Used: 5}, nil },
	} {
		Watch{Read: read}.Run(t.Context())
	}
}

// What a small container has left is gone within a tenth of a second.
func TestMemoryIsLookedAtBeforeWhatIsFreeCanBeGone(t *testing.T) {
	for _, c := range []struct {
		m    host.Memory
		want time.Duration
	}{
		{host.Memory{Used: 8 << 30, Limit: 16 << 30}, time.Second},
		{host.Memory{Used: 15 << 30, Limit: 16 << 30}, 500 * time.Millisecond},
		{host.Memory{Used: 200 << 20, Limit: 256 << 20}, 50 * time.Millisecond},
		{host.Memory{Used: 300 << 20, Limit: 256 << 20}, 50 * time.Millisecond},
	} {
		if got := next(c.m); got != c.want {
			t.Errorf("%+v: looked at again after %v, want %v", c.m, got, c.want)
		}
	}
}
