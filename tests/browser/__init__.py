"""The console in a browser, over one suite that all these tests share and that ends with the last of them."""
