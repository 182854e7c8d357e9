//go:build !linux

package main_test

import "errors"

const launcherVariable = "RUN_WITHOUT_LANDLOCK"

func launch([]string) error { return errors.New("there is no Landlock to be without") }
