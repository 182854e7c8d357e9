package confine

import "os"

// Enter puts the calling thread, and what it starts, under the plan for good. The
// thread has no_new_privs. Without Landlock only limits and priorities are kept.
func (p Plan) Enter() error {
	if abi := ABI(); abi > 0 {
		if err := p.restrict(abi); err != nil {
			return err
		}
	}
	return keepLimits(os.Getpid())
}
