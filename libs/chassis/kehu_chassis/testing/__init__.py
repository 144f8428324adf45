"""What the tests of every service use: real servers, a database per test, clients with tokens."""
