# SPDX-License-Identifier: MIT
"""big.py FUNCTIONS: a preprocessed C file that keeps cc1 -O2 busy, 5 ms or so for each function."""
import sys

print("unsigned long strlen(const char *);")
for i in range(int(sys.argv[1])):
    print("int f%d(const char*s,int n){int a=0;for(int i=0;i<n;i++){switch(s[i]%%7){case 0:a+=%d;break;"
          "case 1:a^=i*%d;break;case 2:a-=(int)strlen(s+i);break;default:a=a*31+s[i];}}return a;}" % (i, i + 3, i * 7 + 1))
