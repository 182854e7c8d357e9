package build

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// Wheels that take more disk than they may are the author's, while they are fetched and
// while they are installed; a slow index is the hub's.
func TestWhoseFaultALimitIs(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		rule string
	}{
		"disk":     {&runner.Exceeded{What: "disk", Text: "more than 24.0 GiB of disk"}, "limit.disk"},
		"files":    {&runner.Exceeded{What: "files", Text: "more than 1000000 files"}, "limit.files"},
		"time":     {&runner.Exceeded{What: "time", Text: "more than 20m0s"}, ""},
		"no room":  {runner.ErrNoRoom, ""},
		"anything": {errors.New("exit status 1"), ""},
		"nothing":  {nil, ""},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("installing wheels: %w: said", err)
		}
		found := tooMuch(err)
		if len(found) != min(1, len(c.rule)) || c.rule != "" && found[0].Rule != c.rule {
			t.Errorf("%s: %v", name, found)
		}
	}
}
