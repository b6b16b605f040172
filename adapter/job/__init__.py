"""Do one patient from fetching to receipt, and many patients so that each assessment is on the server once."""
