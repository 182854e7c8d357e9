package process

import (
	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// stopped: the child is stopped by a signal or by a debugger.
func (c *Child) stopped() bool {
	p, err := table.Of(c.pid)
	return err == nil && (p.State == 'T' || p.State == 't')
}
