package contract

import (
	"errors"
	"fmt"
	"slices"
)

// Consistent finds what contradicts itself in a payload, as Decode returns it,
// although each field is of its shape.
func Consistent(payload any) error {
	switch p := payload.(type) {
	case Event:
		return present("event_type", p.EventType != "")
	case Validation:
		return errors.Join(present("primary_metric_name", p.PrimaryMetricName != ""), square(p.ConfusionMatrix), curves(p.PRCurves))
	case Done:
		return outcome(p.Status, p.ErrorMessage, p.Error)
	case TestRunDone:
		return errors.Join(outcome(p.Status, p.ErrorMessage, p.Error), square(p.ConfusionMatrix), curves(p.PRCurves))
	case InferenceDone:
		return outcome(p.Status, p.ErrorMessage, p.Error)
	case ExportDone:
		return outcome(p.Status, p.ErrorMessage, p.Error)
	}
	return nil
}

func present(name string, ok bool) error {
	if !ok {
		return fmt.Errorf("%s: must not be empty", name)
	}
	return nil
}

// outcome: a failure says why, a success has nothing to explain.
func outcome(s Status, message *string, failure *Failure) error {
	failed := s == StatusFailed
	if failed && (message == nil || *message == "") {
		return errors.New("error_message: a failure must say why")
	}
	if !failed && (message != nil || failure != nil) {
		return errors.New("error_message: must be null when the status is succeeded")
	}
	if failure != nil && !slices.Contains(Codes(), failure.Code) {
		return fmt.Errorf("error.code: %q is no failure code of the contract", failure.Code)
	}
	return nil
}

func square(m [][]int64) error {
	for i, row := range m {
		if len(row) != len(m) {
			return fmt.Errorf("confusion_matrix: row %d has %d values, want %d", i, len(row), len(m))
		}
	}
	return nil
}

func curves(all map[string]PRCurve) error {
	for class, c := range all {
		if len(c.Precision) != len(c.Recall) {
			return fmt.Errorf("pr_curves: %q has %d precisions and %d recalls", class, len(c.Precision), len(c.Recall))
		}
	}
	return nil
}
