package process

// stopped: the child is stopped by a signal or by a debugger.
func (c *Child) stopped() bool {
	p, err := readProcess(c.pid)
	return err == nil && (p.State == 'T' || p.State == 't')
}
