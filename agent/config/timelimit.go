package config

import "time"

// TimeLimit is how long the child may run.
func (cfg *Config) TimeLimit() time.Duration {
	if t := cfg.Job.Training; t != nil {
		return t.MaxTrainingTime
	}
	return time.Duration(cfg.MaxTrainingSeconds) * time.Second
}

// VerdictWait is how long node 0 may take to say how the job ended.
func VerdictWait(cfg *Config) time.Duration {
	return cfg.TimeLimit() + cfg.FlushTimeout + cfg.NodeTimeout
}
