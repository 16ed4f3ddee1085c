package streams

import "sync"

const atATime = 32 // requests on their way

// Together calls fn for the items, atATime of them at once, and returns the error
// of one that failed, once all have ended.
func together[T any](items []T, fn func(T) error) error {
	var running sync.WaitGroup
	slots := make(chan struct{}, atATime)
	failed := make(chan error, 1)
	for _, item := range items {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if err := fn(item); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
