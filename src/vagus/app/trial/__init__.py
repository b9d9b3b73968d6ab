"""How is an app tried out? Its handlers on a backend in memory, under a clock that the test moves (`App.test`)."""
