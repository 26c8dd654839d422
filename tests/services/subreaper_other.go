//go:build !linux

package services

import "errors"

func becomeSubreaper() error { return errors.ErrUnsupported }
