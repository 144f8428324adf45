"""The first day over the Berka bank: one suite that all these tests share and that ends with the last of them."""
