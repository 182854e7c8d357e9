package contract

import "testing"

func TestADoneThatWasNotDeliveredShowsInTheExitCodeUnlessTheJobIsRunAgain(t *testing.T) {
	for code, want := range map[Code][2]int{ // delivered, not delivered
		"": {0, 2}, CodeTrainingFailed: {1, 2}, CodeStorageError: {75, 75}, CodeStopped: {143, 143},
	} {
		var f *Failure
		if code != "" {
			f = Failf(code, "…")
		}
		if got := [2]int{ExitCode(f, true), ExitCode(f, false)}; got != want {
			t.Errorf("%q: %v, want %v", code, got, want)
		}
	}
}
