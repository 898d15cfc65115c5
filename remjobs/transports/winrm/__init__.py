"""The WinRM transport: Windows hosts, on pywinrm's protocol and a wire of our own."""
