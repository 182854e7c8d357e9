package agent

import (
	"context"
	"time"
)

// footprintEvery is how often memory goes back while the training runs. An upload
// takes some megabytes each time; to give them back takes milliseconds.
const footprintEvery = time.Minute

// staySmall keeps the agent small beside the training until ctx ends: first what
// preparing took, then what uploads and callbacks do.
func staySmall(ctx context.Context) {
	tick := time.NewTicker(footprintEvery)
	defer tick.Stop()
	for {
		giveBack()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
