package process

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryWatchWarnsOnceALevelAndAgainAfterRelief(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readings := []int64{50, 89, 90, 92, 95, 99, 91, 96, 86, 90, 84, 90, 94}
		ctx, cancel := context.WithCancel(t.Context())
		var warned []int
		next := 0
		watch := MemoryWatch{
			Read: func() (Memory, error) {
				m := Memory{Used: readings[next], Limit: 100}
				if next++; next == len(readings) {
					cancel()
				}
				return m, nil
			},
			Warn: func(level int, m Memory) { warned = append(warned, level, int(m.Used)) },
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
	for _, read := range []func() (Memory, error){
		func() (Memory, error) { return Memory{}, errors.New("no cgroup") },
		func() (Memory, error) { return Memory{Used: 5}, nil },
	} {
		MemoryWatch{Read: read}.Run(t.Context())
	}
}
