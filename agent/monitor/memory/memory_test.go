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
		var warned []int
		next := 0
		watch := Watch{
			Read: func() (host.Memory, error) {
				m := host.Memory{Used: readings[next], Limit: 100}
				if next++; next == len(readings) {
					cancel()
				}
				return m, nil
			},
			Warn: func(level int, m host.Memory) { warned = append(warned, level, int(m.Used)) },
		}
		began := time.Now()
		watch.Run(ctx)
		if want := []int{90, 90, 95, 95, 90, 90}; !slices.Equal(warned, want) {
			t.Errorf("warned %v, want %v", warned, want)
		}
		if took := time.Since(began); took != time.Duration(len(readings)-1)*time.Second {
			t.Errorf("%d readings took %v", len(readings), took)
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
