package confine

// Enter puts the calling thread, and what it starts, under the plan for good. The
// thread has no_new_privs. Without Landlock only limits, priorities and threads are kept.
func (p Plan) Enter() error {
	if abi := ABI(); abi > 0 {
		if err := p.restrict(abi); err != nil {
			return err
		}
	}
	dropCapabilities()
	return keepApart(here())
}
